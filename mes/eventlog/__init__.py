"""The record's heart: facts written with the change that made them true, and carried to their handlers.

unit.py           publish(event) inside a unit of work; one transaction, one flush
subscriptions.py  @on(Event, id=…): who reacts; @every(…): what the clock starts
delivery.py       one delivery to one handler, exactly one effect
relay.py          finds what is due and delivers it, any number of copies
schedules.py      slots of the clock, any number of tickers
merkle.py sealing.py verify.py   leaves, signed roots, and the check of everything
"""
