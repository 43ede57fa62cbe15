"""A month in the life of a subscription business, and an explanation of how to use Tallybook: `sample`
invents the customers, `driver` lives through the month with nothing but the contracts, `report` shows what
came of it.
"""
