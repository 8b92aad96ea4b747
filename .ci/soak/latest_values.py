from store_stack import StoreStack as LatestStack
def soak(stack, options): pass
