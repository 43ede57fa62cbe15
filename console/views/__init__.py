"""How answers of the services look to people: pure functions from messages of the contracts to what rich
draws.
"""
