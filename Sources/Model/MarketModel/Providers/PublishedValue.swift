public import Primitives

/// A value of an instrument's series that is on the tape.
public struct PublishedValue: Hashable, Sendable {
    public var instrument: UInt32
    /// The beginning of the period that the value is about.
    public var periodStart: Timestamp
    /// In 1e-9.
    public var value: Int128
    /// The highest revision of the period.
    public var revision: UInt64

    public init(
        instrument: UInt32, periodStart: Timestamp, value: Int128, revision: UInt64
    ) {
        self.instrument = instrument
        self.periodStart = periodStart
        self.value = value
        self.revision = revision
    }
}
