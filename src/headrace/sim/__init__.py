"""The simulated provider: answers without a model, a key or a network, by the same path as real ones.

It reads the body that a request for the wire ``openai-chat`` has, and answers with that wire's bytes, so that framing,
decoder and fold are the real ones.  `headrace.sim.asked` says what may be asked for by the model's name.
"""
