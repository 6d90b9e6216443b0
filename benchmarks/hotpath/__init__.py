"""What one hot call makes the interpreter do, counted: bytecode instructions, calls of Python and of C functions, both sides.

Times are not repeatable, least of all on a machine that others use; counts are, to the last instruction.
"""
