/// The rule which ticks of a symbol belong to the same window of a series. Widths, hops and gaps
/// are in nanoseconds.
public enum WindowRule: Hashable, Sendable {
    /// [start, end) of one width, aligned to 1970-01-01 UTC. The width divides a day.
    case tumbling(width: Int64)
    /// Windows of one width, counted from the opening of each trading session. The last one ends
    /// with the session. `nil` means one window per session. Ticks outside of every session are in
    /// no window.
    case session(width: Int64?)
    /// A window of `width` begins every `hop`, aligned to 1970-01-01 UTC; a tick is in
    /// `width / hop` of them. The hop divides the width, and a day.
    case sliding(width: Int64, hop: Int64)
    /// From a tick up to the first pause of this length between two ticks.
    case inactivity(gap: Int64)
    /// So many ticks, in the order of event time and, within a nanosecond, that of
    /// `SourceTable.isBefore`.
    case ticks(Int64)
    /// Ends with the tick that brings the volume to this one, in 1e-8. Ticks are never split.
    case volume(Int64)
    /// Ends with the tick that brings the sum of price x size to this one, in 1e-8.
    case dollars(Int64)

    /// Whether time alone decides the ends of the windows, and not the ticks. Each window can then
    /// be revised and repaired alone.
    public var isByTime: Bool {
        switch self {
        case .tumbling, .session, .sliding: true
        case .inactivity, .ticks, .volume, .dollars: false
        }
    }

    /// The width for the definition of a series on the tape; 0 when its windows have no fixed
    /// width.
    public var widthNanoseconds: Int64 {
        switch self {
        case .tumbling(let width), .sliding(let width, _): width
        case .session(let width): width ?? 0
        case .inactivity, .ticks, .volume, .dollars: 0
        }
    }
}

/// How windows without ticks are filled.
public enum FillRule: Hashable, Sendable {
    /// Nothing.
    case none
    /// A bar with the close of the window before it and no volume, as long as a window with ticks
    /// is among the `max` windows before it.
    case previousClose(max: Int)
}
