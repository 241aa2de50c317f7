"""The notebooks: copied out of the wheel, and what each of them needs besides its question.

It may import warehouse and the ground modules. Altair, of the extra `notebooks`, only here.
"""
