internal import Primitives

/// The revisions of one machine's values: how often the values of each window were published, for
/// as long as they may be published again.
struct BreadthVersions: Hashable, Sendable {
    struct Window: Hashable, Sendable {
        var openTime: Int64
        var closeTime: Int64
        /// By measure, the number of publications.
        var publications: [UInt32]
    }

    /// The least length in bytes of a window in a checkpoint.
    private static let windowBytes = 16
    /// The windows in order of their times.
    private(set) var windows: [Window] = []

    /// Returns the revision of a value that is published now: 0 the first time.
    mutating func next(_ value: BreadthValue, measures: Int) -> UInt32 {
        let openTime = value.openTime.nanoseconds
        var index = windows.count
        while index > 0, windows[index - 1].openTime > openTime { index -= 1 }
        if index == 0 || windows[index - 1].openTime != openTime {
            windows.insert(
                Window(
                    openTime: openTime, closeTime: value.closeTime.nanoseconds,
                    publications: Array(repeating: 0, count: measures)), at: index)
            index += 1
        }
        let revision = windows[index - 1].publications[value.measure]
        windows[index - 1].publications[value.measure] &+= 1
        return revision
    }

    /// Removes windows that nothing changes any more: those whose lateness is over, and the oldest
    /// beyond `StreamLimits.breadthWindowsMax`, which the machine settles early.
    mutating func forget(_ watermark: Timestamp, lateness: Int64) {
        let over = windows.prefix {
            let (end, overflows) = $0.closeTime.addingReportingOverflow(lateness)
            return !overflows && end <= watermark.nanoseconds
        }.count
        let count = max(over, windows.count - StreamLimits.breadthWindowsMax)
        if count > 0 { windows.removeFirst(count) }
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(windows.count))
        for window in windows {
            bytes.append(integer: window.openTime)
            bytes.append(integer: window.closeTime)
            for count in window.publications { bytes.append(integer: count) }
        }
    }

    init() {}

    init(
        _ reader: inout StateReader, _ bytes: RawSpan, measures: Int
    ) throws(CheckpointError) {
        let count = try reader.count(
            of: .window, max: StreamLimits.breadthWindowsMax, bytesEach: Self.windowBytes,
            in: bytes)
        for _ in 0..<count {
            let openTime = try reader.int64(in: bytes)
            let closeTime = try reader.int64(in: bytes)
            guard windows.last.map({ $0.openTime < openTime }) ?? true else {
                throw reader.malformed(.window)
            }
            var publications: [UInt32] = []
            for _ in 0..<measures { publications.append(try reader.uint32(in: bytes)) }
            windows.append(
                Window(openTime: openTime, closeTime: closeTime, publications: publications))
        }
    }
}
