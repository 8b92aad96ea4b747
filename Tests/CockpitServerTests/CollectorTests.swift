import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeTransport
import TestSupport
import Testing

@testable import Cockpit
@testable import CockpitTests

@Suite("What the collector knows") struct CollectorTests {
    @Test("a NATS that gives no answer, and from which nothing comes, is silent")
    func silence() {
        func problem(
            _ facts: Known<Int>, heard: MonotonicTime, at seconds: Double
        ) -> String? {
            NatsSilence.problem(facts, heardAt: heard, at: MadeSighting.time(seconds))
        }
        var facts = MadeSighting.known(1, at: 10)
        let heard = MadeSighting.time(10)
        #expect(problem(facts, heard: heard, at: 14) == nil)
        facts.problem = NatsSilence.NoAnswer().description
        #expect(problem(facts, heard: heard, at: 12) == nil)
        #expect(problem(facts, heard: heard, at: 14) == "no answer for 4 s")
        // A stream without a leader does not answer, and services are heard.
        #expect(problem(facts, heard: MadeSighting.time(13), at: 14) == nil)
        #expect(
            problem(
                Known(problem: facts.problem), heard: .distantPast, at: 14)
                == "it has not answered yet")
        // A refusal is an answer.
        facts.problem = "stream MD_BARS does not exist yet"
        #expect(problem(facts, heard: heard, at: 14) == nil)
    }

    @Test("only a timeout is no answer")
    func timeouts() {
        let failure = NatsError.timedOut(
            NatsFailure(
                operation: "ask", peer: "there", status: NatsStatus(rawValue: 0), detail: ""))
        #expect(NatsSilence.isTimeout(failure))
        #expect(NatsSilence.isTimeout(JetStreamError.transport(failure)))
        #expect(NatsSilence.isTimeout(TapeError.jetStream(.transport(failure))))
        #expect(NatsSilence.isTimeout(TapeError.nats(failure)))
        #expect(!NatsSilence.isTimeout(TapeError.missingStream("MD_BARS")))
        #expect(!NatsSilence.isTimeout(JetStreamError.leaderless("MD_BARS")))
    }

    @Test("services that answered come first, and of the others the one that waits for longest")
    func order() {
        func service(_ seconds: Double, hangs: Bool) -> Sighting.Service {
            var service = MadeSighting.service(seconds)
            service.problem = hangs ? "timed out" : nil
            return service
        }
        #expect(PageOrder.of([]) == [])
        let services = [
            service(9, hangs: true), service(9, hangs: false), service(7, hangs: true),
            service(3, hangs: false), service(7, hangs: true),
        ]
        #expect(PageOrder.of(services) == [1, 3, 2, 4, 0])
    }

    @Test("services that hang make another one neither old nor late")
    func hung() throws {
        let hanging = try (0..<3).map { _ in try SilentListener() }
        let lively = try PageServer(["/status": #"{"service":"lively","ready":true}"#])
        let addresses = (hanging.map(\.port) + [lively.port]).compactMap {
            ServiceAddress("127.0.0.1:\($0)")
        }
        let pages = ServicePages(
            addresses: addresses, clock: SystemClock(),
            limits: .init(one: .milliseconds(100), round: .milliseconds(200)))
        // The first round may end before it comes to the last one. The second begins with those
        // that have not failed.
        pages.ask()
        pages.ask()
        let before = pages.services
        #expect(before[3].name == "lively" && before[3].isReady && before[3].problem == nil)
        pages.ask()
        let after = pages.services
        #expect(after[3].measuredAt > before[3].measuredAt && after[3].problem == nil)
        #expect(after[..<3].allSatisfy { $0.problem != nil })
        // What was there before the first answer is not known to be anything.
        let unasked = ServicePages(addresses: addresses, clock: SystemClock())
        #expect(unasked.services.allSatisfy { $0.measuredAt == .distantPast })
        withExtendedLifetime(hanging) {}
    }
}

/// A server with these pages.
final class PageServer: Sendable {
    private let server: WebServer
    var port: UInt16 { server.port }

    init(_ pages: [String: String]) throws {
        server = try WebServer(
            address: "127.0.0.1", port: 0, limits: CockpitLimits.connections,
            admission: Site.admission, feed: try EventFeed(instance: "pages")
        ) { request in
            guard let page = pages[request.path] else {
                return .whole(OperationsResponse.text("there is no such page", status: 404))
            }
            return .whole(
                OperationsResponse(contentType: "application/json", body: Array(page.utf8)))
        }
    }

    deinit { server.stop() }
}
