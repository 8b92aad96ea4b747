/// The meaning of one packet's indexes: those of symbols, or those of series. `Value` is what the
/// reader makes of a definition. An index beyond the number of definitions that a packet may hold
/// is ignored when it is set, so that a damaged packet cannot take much memory.
@frozen
public struct PacketTable<Value> {
    @usableFromInline var values: [Value?] = []

    @inlinable
    public init() {}

    /// Forgets everything, for the next packet. The memory stays reserved.
    @inlinable
    public mutating func removeAll() { values.removeAll(keepingCapacity: true) }

    /// The value of an index; `nil` when the packet has not defined the index.
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
