/// The meaning of one packet's indexes: those of symbols, or those of series. An index beyond the
/// number of definitions that a packet may hold has no meaning.
@frozen
public struct PacketTable<Value> {
    @usableFromInline var values: [Value?] = []

    @inlinable
    public init() {}

    @inlinable
    public mutating func removeAll() { values.removeAll(keepingCapacity: true) }

    @inlinable
    public subscript(index: UInt32) -> Value? {
        get { index < values.count ? values[Int(index)] : nil }
        set {
            guard index < PacketLimits.definitionsMax else { return }
            while values.count <= index { values.append(nil) }
            values[Int(index)] = newValue
        }
    }
}

extension PacketTable: Sendable where Value: Sendable {}
