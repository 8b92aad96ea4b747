/// A kind of data that providers deliver and that subscriptions request.
public enum DataKind: UInt8, Sendable {
    /// All kinds.
    case any = 0
    case trade = 1
    case quote = 2
    case depth = 3
    case providerBar = 4
    case optionComputation = 5
    case news = 6
    case fundamental = 7
    case indicator = 8
}
