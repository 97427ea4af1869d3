"""The billing system's room: periods, quantities, freeze, the change feed, explanations."""
