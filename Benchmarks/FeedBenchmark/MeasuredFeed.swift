/// Messages of a service, a line each, and an engine that makes records of them.
protocol MeasuredFeed {
    /// An engine whose connection is open, and what it left.
    associatedtype Machine

    /// Its name: in the figures, and for `parse_orjson.py`.
    static var name: String { get }
    /// What the messages are: the unit of the figures.
    static var title: String { get }

    init(count messages: Int)

    var bytes: [UInt8] { get }
    func connected() -> Machine

    /// Hands all messages in, as the provider's thread does: so many, then what they led to is
    /// taken. Returns the number of trades.
    func drive(_ machine: inout Machine, perTurn: Int) -> Int
}
