import MarketModel
import Membership
import Primitives
import TapeTransport
import Testing

@testable import TapeKeeping

/// A stream that is filled at a steady rate while a store that is not needed is away, and its
/// keeper on a slow server.
@Suite struct PurgeRoomTests {
    @Test(
        "a store that is not needed is let go before the stream refuses anything",
        arguments: [200_000, 700_000, 3_000_000] as [UInt64])
    func letGo(bytesPerSecond: UInt64) {
        var world = FilledStream(bytesPerSecond: bytesPerSecond)
        while world.now < 600 * FilledStream.second { world.turn() }
        let marks = world.marks
        #expect(world.letGoAt.map { $0 <= marks.urgentBytes } == true, "\(world)")
        #expect(world.largest > marks.startBytes && world.largest < marks.bytesMax, "\(world)")
        // Others may have needed it.
        #expect(!world.tookNeeded)
    }
}

private struct FilledStream {
    static let second: Int64 = 1_000_000_000
    /// The most packets of a source are 2,000 a second, on four streams.
    private static let messagesPerSecond: UInt64 = 500
    /// How long the facts for a plan take, and each step of a purge.
    private static let surveyNanoseconds = second / 2
    private static let stepNanoseconds = second / 25
    /// How far the store that is needed is behind.
    private static let lag: UInt64 = 2 * messagesPerSecond

    let marks = PurgeMarks(bytesMax: 48 << 20)
    private let messageBytes: UInt64
    private(set) var now: Int64 = 0
    private var first: UInt64 = 1
    private var last: UInt64 = 0
    /// The largest size that it has had.
    private(set) var largest: UInt64 = 0
    /// Its size when the store that is not needed was let go.
    private(set) var letGoAt: UInt64?
    private(set) var tookNeeded = false

    init(bytesPerSecond: UInt64) { messageBytes = bytesPerSecond / Self.messagesPerSecond }

    private var count: UInt64 { last + 1 - first }
    private var bytes: UInt64 { count * messageBytes }
    private var readByNeeded: UInt64 { last - min(last, Self.lag) }

    private mutating func pass(_ nanoseconds: Int64) {
        now += nanoseconds
        last = UInt64(now / (Self.second / Int64(Self.messagesPerSecond)))
        largest = max(largest, bytes)
    }

    /// Waits for the next look at the stream, and purges it if it is above its mark.
    mutating func turn() {
        let pause = marks.nanosecondsToStart(bytes: bytes, max: 2 * Self.second)
        pass(max(Self.second / 5, pause))
        guard bytes > marks.startBytes else { return }
        let plan = PurgePlan(facts())
        var purge = PurgePass(plan, marks: marks, bytes: bytes, messages: count)
        var known = bytes
        pass(Self.surveyNanoseconds)
        while true {
            switch purge.next() {
            case .front(let below):
                tookNeeded = tookNeeded || below > max(1, readByNeeded)
                first = max(first, below)
            case .measure:
                known = bytes
                purge.measured(bytes: known)
            case .seek(let from): purge.found(from <= last ? max(first, from) : nil)
            case .subject: break
            case .done: return
            }
            if letGoAt == nil, !plan.letGo(below: purge.cursor).isEmpty { letGoAt = bytes }
            let step = Self.stepNanoseconds
            pass(step + PurgePace.pause(after: step, bytes: known, marks: marks))
        }
    }

    private func facts() -> PurgeFacts {
        let floors = [
            PurgeFacts.Floor(group: .store, partition: Partition(0), sequence: readByNeeded),
            PurgeFacts.Floor(
                group: GroupName("store-b") ?? .store, partition: Partition(0), sequence: 1,
                isNeeded: false),
        ]
        return PurgeFacts(
            firstSequence: first, lastSequence: last, agedBelow: last + 1,
            subjects: [
                PurgeFacts.Subject(name: "md.ticks.0.a", partition: Partition(0), pins: [last])
            ], floors: floors, hasStore: true)
    }
}
