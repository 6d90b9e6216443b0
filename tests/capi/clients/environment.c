/* What a program sets between init and start counts: environment LIBRARY MODULES. The published JavaScript SDK does so. */
#define _GNU_SOURCE
#include "checks.h"

int main(int argc, char **argv)
{
    CHECK(argc == 3, "environment LIBRARY MODULES");
    open_library(argv[1]);
    setenv("LOGOS_TEST_GONE", "1", 1);
    for (int life = 0; life < 2; life++) {
        logos.core_init(argc, argv);
        logos.core_set_plugins_dir(argv[2]);
        setenv("LOGOS_HOST_PATH", life == 0 ? "/nowhere/first" : "/nowhere/second", 1);
        unsetenv("LOGOS_TEST_GONE");
        logos.core_start();
        CHECK(logos.core_load_plugin("calc") == 1, "calc");
        logos.core_cleanup();
    }
    CHECK(getenv("LOGOS_TEST_GONE") == NULL && strcmp(getenv("LOGOS_HOST_PATH"), "/nowhere/second") == 0, "kept");
    puts("done");
    return 0;
}
