"""One file a repair: its docstring names the symptom and the cause, its function ``repair`` says what is done.

``repair`` takes nothing and returns whether it was needed: True if what is broken was there and is no more. A file that
is put here is found by itself.
"""
