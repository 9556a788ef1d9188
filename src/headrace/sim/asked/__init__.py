"""What is asked of the simulation: a call, understood, wire by wire; and the options that it may carry.

What goes out of here is an `headrace.sim.asked.base.Asked`, whatever the wire: scenarios match on it, answers are made
for it.  Options stand in the model's name or in a header, see `headrace.sim.asked.options`.
"""
