"""Money moves: attempts at gateways, collecting, payments, refunds, corrections, disputes.

These verbs build on `calls`, `saving` and core alone; verbs outside this folder may use them, not the other way round.
"""
