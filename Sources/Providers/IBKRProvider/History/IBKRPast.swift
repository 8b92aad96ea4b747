internal import EngineKit
internal import Glibc
internal import IBEngine
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import StreamKit

/// Asks a TWS for its past, over a connection of its own. One thread uses it, and works on the
/// connection while it waits.
final class IBKRPast: HistoryClient {
    typealias Service = IBHistoryService

    /// The most bytes of one read.
    private static let readBytes = 64 * 1_024
    /// The most reads of one turn, so that the thread beats.
    private static let readsPerTurn = 64
    /// Each change of the connection may bring another wish.
    private static let wishesMax = 4

    private let link: ServerLink
    private let wake: WakeEvent
    private let clock = SystemClock()
    private var client: IBHistoryClient
    private var out = IBHistoryClient.Output()
    private var buffer = [UInt8](repeating: 0, count: IBKRPast.readBytes)
    /// The requests without an outcome, by the numbers of the client's questions.
    private var asked: [UInt64: IBHistoryRequest] = [:]
    private var hasBegun = false
    /// The seconds since 1970 of which the rules of zones are needed.
    private let seconds: ClosedRange<Int64>

    /// `range`: what is loaded.
    init(
        _ server: IBKRSettings.Server, _ settings: IBHistoryClientSettings,
        loading range: HistorySettings
    ) throws {
        let wake = try WakeEvent()
        self.wake = wake
        link = ServerLink(server, wake: wake)
        client = IBHistoryClient(settings)
        let unit: Int64 = 1_000_000_000
        seconds = range.from.nanoseconds / unit...range.to.nanoseconds / unit
        let now = clock.now().nanoseconds / 1_000_000_000
        for zone in client.wantedZones {
            if let rules = Zones.rules(of: zone, around: now) { client.know(zone, rules) }
        }
    }

    private func moment() -> Moment { Moment(wall: clock.now(), monotonic: clock.monotonic()) }

    // MARK: HistoryClient

    func ask(_ request: IBHistoryRequest) -> FetchOutcome<IBHistoryAnswer>? {
        if !hasBegun {
            hasBegun = true
            client.begin(moment())
        }
        asked[client.ask(request.question)] = request
        work()
        return nil
    }

    func take(_ body: (UInt64, FetchOutcome<IBHistoryAnswer>) -> Void) {
        let replies = out.replies
        out.replies = []
        for (number, reply) in replies {
            guard let request = asked.removeValue(forKey: number) else { continue }
            let zone = IBHistoryAnswer.zone(in: reply)
                .flatMap {
                    Zones.rules(of: $0, around: seconds.lowerBound, until: seconds.upperBound)
                }
            let answer = IBHistoryAnswer(reply, sizesAreLots: client.sizesAreLots, zone: zone)
            body(request.number, answer.outcome(of: request))
        }
    }

    func wait(_ timeout: Duration) {
        guard out.replies.isEmpty else { return }
        let now = clock.monotonic()
        let due = min(now.advanced(by: timeout), min(link.deadline, client.nextDue))
        var polls = [
            pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
            link.interest(isReading: true),
        ]
        // The time is rounded up, so that a wait never ends early and then spins.
        let milliseconds = due <= now ? 0 : (due - now - 1) / 1_000_000 + 1
        let failure = Int16(POLLERR) | Int16(POLLHUP)
        guard unsafe poll(&polls, nfds_t(polls.count), Int32(clamping: milliseconds)) > 0 else {
            return work()
        }
        if polls[0].revents != 0 { wake.clear() }
        work(isWritable: polls[1].revents & (Int16(POLLOUT) | failure) != 0)
    }

    // MARK: the connection

    /// Reads what has come, and does what is due. What came is read first, so that a connection
    /// does not look dead because this thread did something else.
    private func work(isWritable: Bool = false) {
        if let change = link.advance(isWritable: isWritable, now: clock.monotonic()) {
            apply(change)
        }
        readAll()
        client.timePassed(moment(), into: &out)
        for _ in 0..<Self.wishesMax {
            write()
            guard let wish = out.wish else { return }
            out.wish = nil
            switch wish {
            case .connect: link.connect(now: clock.monotonic())
            case .close(let reason): apply(.lost(reason))
            }
            if let change = link.advance(isWritable: false, now: clock.monotonic()) {
                apply(change)
            }
        }
    }

    private func readAll() {
        for _ in 0..<Self.readsPerTurn where link.isOpen && out.wish == nil {
            switch link.read(into: &buffer) {
            case .bytes(let count):
                let now = moment()
                buffer.withRawSpan { bytes in
                    client.received(bytes.extracting(0..<count), now, into: &out)
                }
            case .nothing: return
            case .ended: return apply(.lost("TWS ended the connection"))
            case .failed(let code): return apply(.lost("the connection broke: \(code)"))
            }
        }
    }

    private func write() {
        guard !out.bytes.isEmpty else { return }
        let change = link.send(out.bytes, now: clock.monotonic())
        out.bytes.removeAll(keepingCapacity: true)
        if let change { apply(change) }
    }

    private func apply(_ change: ServerLink.Change) {
        switch change {
        case .connected: client.connected(moment(), into: &out)
        case .connectFailed(let reason): client.lost(reason, moment(), into: &out)
        case .lost(let reason):
            link.close()
            out.bytes.removeAll(keepingCapacity: true)
            client.lost(reason, moment(), into: &out)
        }
    }
}
