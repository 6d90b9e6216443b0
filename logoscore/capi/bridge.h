/* What logos_core.c needs of the embedded Python: one way in for each kind of result. */
#ifndef LOGOS_BRIDGE_H
#define LOGOS_BRIDGE_H

/* Each calls the function of that name in logoscore.functions. `kinds` has a letter for each argument after it:
 *
 *   s  const char *    text that must be there          b  int   a truth value
 *   z  const char *    text, or NULL for None           i  int   a number
 *   c  LogosCallback, void *    a callback and its user_data: two arguments here, one in Python
 *
 * What fails is logged, kept for logos_last_error(), and answered with the failure value.
 */
int logos_done(const char *function, const char *kinds, ...);                  /* 1; on failure 0 */
int logos_number(const char *function, int failure, const char *kinds, ...);
char *logos_text(const char *function, const char *kinds, ...);                /* malloc; on failure NULL */
char **logos_names(const char *function, const char *kinds, ...);              /* malloc; on failure empty */

char *logos_last_error(void);                                                  /* malloc, or NULL */
void logos_set_arguments(int argc, char **argv);
void logos_take_environment(void);                                             /* what the program has set meanwhile */

#endif
