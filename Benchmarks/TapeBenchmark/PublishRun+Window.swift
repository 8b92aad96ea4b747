import MarketModel
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

extension PublishRun {
    /// Publishes for so long, and as many packets as may be in flight: one for each subject, and
    /// with `hasWindow` only as many of a stream as a gateway has there. Returns the result, and
    /// the middle size of these windows.
    func timed(
        seconds: Double, hasWindow: Bool
    ) throws -> (result: RunResult, window: Int) {
        defer { client.close() }
        var streams = (0..<TapeNames.tickStreams).map { stream in
            let numbers = lanes.indices.filter { self.stream(of: $0) == stream }
            return StreamFlight(
                lanes: numbers, window: hasWindow ? StreamWindow(lanes: numbers.count) : nil)
        }
        func fill(_ stream: Int) {
            while let lane = streams[stream].next() { publish(lane) }
        }
        let used = RunResult.processorMicroseconds
        let start = clock.monotonic()
        let until = start + Int64(seconds * 1e9)
        onAcknowledged = { [unowned self] lane in
            let (stream, now) = (stream(of: lane), clock.monotonic())
            streams[stream].answered(lane, after: now.nanoseconds - sentAt[lane], now: now)
            if now < until { fill(stream) }
        }
        for stream in streams.indices { fill(stream) }
        try turn { clock.monotonic() < until || streams.contains { $0.inFlight > 0 } }
        let processor = (RunResult.processorMicroseconds - used) / Double(acknowledged)
        var result = result(since: start.nanoseconds)
        result.processorMicroseconds = processor
        return (result, StreamFlight.middleSize(of: streams))
    }

    private func stream(of lane: Int) -> Int { client.names.streamIndex(of: Partition(lane)) }
}

/// The packets of a stream that are in flight. Its lanes take turns.
private struct StreamFlight {
    private let lanes: [Int]
    /// The place in `lanes` of the lane that is considered first.
    private var first = 0
    private var busy: [Bool]
    private(set) var inFlight = 0
    /// `nil`: each lane may have a packet in flight.
    private var window: StreamWindow?
    /// How many answers came while the window had this size.
    private var sizes: [Int]

    init(lanes: [Int], window: StreamWindow?) {
        (self.lanes, self.window) = (lanes, window)
        busy = Array(repeating: false, count: lanes.count)
        sizes = Array(repeating: 0, count: lanes.count + 1)
    }

    private var size: Int { window?.size ?? lanes.count }

    /// Returns the lane of the next packet; `nil` when none may leave before an answer.
    mutating func next() -> Int? {
        guard inFlight < lanes.count else { return nil }
        guard inFlight < size else {
            window?.delayed()
            return nil
        }
        while busy[first] { first = (first + 1) % lanes.count }
        busy[first] = true
        inFlight += 1
        return lanes[first]
    }

    mutating func answered(_ lane: Int, after nanoseconds: Int64, now: MonotonicTime) {
        guard let place = lanes.firstIndex(of: lane), busy[place] else { return }
        busy[place] = false
        inFlight -= 1
        sizes[size] += 1
        window?.answered(after: nanoseconds, now: now)
    }

    /// Returns the size that the windows had when the middle one of all answers came.
    static func middleSize(of streams: [StreamFlight]) -> Int {
        let answers = streams.reduce(0) { $0 + $1.sizes.reduce(0, +) }
        var before = 0
        for size in 0...(streams.map { $0.lanes.count }.max() ?? 0) {
            before += streams.reduce(0) { $0 + ($1.sizes.count > size ? $1.sizes[size] : 0) }
            if 2 * before >= answers { return size }
        }
        return 0
    }
}
