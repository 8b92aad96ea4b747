import DeploymentWatch
import Primitives
import ServiceRuntime
import Synchronization

/// Asks the operations pages of services, one after the other. Each answer is there as soon as it
/// came, with its own time, so that a service that hangs makes no other one look old.
final class ServicePages: Sendable {
    struct Limits {
        var one = Duration.milliseconds(500)
        /// No further service is asked in a round after this time.
        var round = Duration.seconds(1)
    }

    private let addresses: [ServiceAddress]
    private let clock: SystemClock
    private let limits: Limits
    private let trust: ProbeTrust
    private let state: Mutex<[Sighting.Service]>

    init(
        addresses: [ServiceAddress], clock: SystemClock, limits: Limits = Limits(),
        trust: ProbeTrust = .plain
    ) {
        self.addresses = addresses
        self.trust = trust
        self.limits = limits
        self.clock = clock
        state = Mutex(addresses.map { Sighting.Service(address: $0.text) })
    }

    /// What is known of all services, in their order.
    var services: [Sighting.Service] { state.withLock { $0 } }

    /// Asks all services once, as far as the time suffices. Those that answered before come first.
    /// With `metrics`, writers are asked for these as well. With `feeds`, those of gateways are
    /// read.
    func ask(withMetrics: Bool = false, withFeeds: Bool = false) {
        let end = clock.deadline(after: limits.round)
        for index in PageOrder.of(services) {
            let left = min(limits.one, clock.remaining(until: end))
            guard left > .zero else { return }
            var answer = ask(
                addresses[index], before: services[index], withFeeds: withFeeds, left)
            if withMetrics, answer.writer != nil {
                answer.writer?.metrics = metrics(addresses[index], answer.measuredAt)
            }
            state.withLock { $0[index] = answer }
        }
    }

    private func ask(
        _ address: ServiceAddress, before: Sighting.Service, withFeeds: Bool, _ timeout: Duration
    ) -> Sighting.Service {
        var service = Sighting.Service(
            address: address.text, measuredAt: clock.monotonic(), name: before.name,
            process: Sighting.Service.Process(member: before.process.member))
        let end = clock.deadline(after: timeout)
        do {
            let status = try JSONValue.parse(try body(address, "/status", until: end))
            service.read(status)
            if withFeeds { service.feeds = FeedPage.all(status) }
        } catch {
            service.problem = "\(error)"
        }
        return service
    }

    /// Returns `nil` if they do not come in the time that one service has.
    private func metrics(
        _ address: ServiceAddress, _ begun: MonotonicTime
    ) -> WriterFigures? {
        do {
            let bytes = try body(address, "/metrics", until: begun.advanced(by: limits.one))
            return WriterFigures(PageMetrics(bytes, wanted: WriterFigures.names))
        } catch {
            // The page shows what /status said, and nothing for the numbers.
            return nil
        }
    }

    private func body(
        _ address: ServiceAddress, _ path: String, until end: MonotonicTime
    ) throws -> [UInt8] {
        let answer = try HTTPProbe.get(
            host: address.host, port: address.port, path: path,
            timeout: max(.milliseconds(1), clock.remaining(until: end)), trust: trust)
        guard answer.status == 200 else { throw BadStatus(path: path, status: answer.status) }
        return answer.body
    }

    private struct BadStatus: Error, CustomStringConvertible {
        let path: String
        let status: Int
        var description: String { "its page \(path) has status \(status)" }
    }
}

/// The order in which pages are asked for. Pure.
enum PageOrder {
    /// Returns indices: first those that answered, then the others, the one that was asked longest
    /// ago first. So those that hang cost the others nothing, and each of them has its turn.
    static func of(_ services: [Sighting.Service]) -> [Int] {
        let all = services.indices
        return all.filter { services[$0].problem == nil }
            + all.filter { services[$0].problem != nil }.sorted {
                (services[$0].measuredAt, $0) < (services[$1].measuredAt, $1)
            }
    }
}

extension Sighting.Service {
    /// The most reasons of one page that are kept.
    static let reasonsMax = 8

    mutating func read(_ status: JSONValue) {
        name = status["service"]?.string ?? ""
        process.member = status.at("membership", "member")?.string ?? ""
        isReady = status["ready"]?.bool ?? false
        process.uptimeSeconds = status["uptimeSeconds"]?.double
        let said = (status["reasons"]?.array ?? []) + (status["degraded"]?.array ?? [])
        reasons = said.prefix(Self.reasonsMax).compactMap(\.string)
        source = status.at("gateway", "source")?.string ?? ""
        let named = status.at("gateway", "provider")?.string ?? ""
        process.providers = named.split(separator: ",").map(String.init)
        providers = ProviderView.all(status)
        ownership = Ownership(status)
        writer = WriterPage(status)
        scalers = ScalerLag.all(status)
        spooledTicks = status.at("gateway", "spool", "ticks")?.uint64 ?? 0
        queue.rowsMax = status.at("writer", "queue", "capacity_rows")?.uint64
        let lanes = status.at("writer", "queue", "lanes")?.array
        queue.rows = lanes?.compactMap { $0["rows"]?.uint64 }.reduce(0, &+)
    }
}
