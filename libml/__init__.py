"""What LAG and the methods it is compared with share: layers, datasets, the training loop, measures.

Also the base classes of the compared methods. Imports nothing from lag.
"""
