"""The scenario format: end-to-end stories on a moving clock, played through the engine's actions and compared.

Parsing: `values.py`. What a case stands on: `world.py`. Steps: `money_steps.py`, `subscription_steps.py`. What the
engine has, in the referee's words: `reading.py`. What differs: `comparing.py`. One case from its start: `playing.py`.
"""
