public import MarketModel
public import StreamCore

/// What one packet made: a machine appends to it, and its owner empties it.
public struct GraphOutput: Sendable {
    /// Of every bar the index in `GraphProgram.series` is its series.
    public var bars: [Bar] = []
    /// Ticks that are in no window of a series, by `GraphProgram.series` too.
    public var late: [LateTick] = []
    /// What has to be computed again because of something in the packet.
    public var dirty: [DirtyRange] = []

    public init() {}

    public mutating func removeAll() {
        bars.removeAll(keepingCapacity: true)
        late.removeAll(keepingCapacity: true)
        dirty.removeAll(keepingCapacity: true)
    }
}
