import DeploymentWatch
import Primitives
import ServiceRuntime
import TestSupport
import Testing

@testable import Cockpit
@testable import CockpitTests

@Suite("What is read of the pages of services") struct PageReadingTests {
    @Test("a writer is asked for its metrics only while somebody looks at them")
    func metrics() throws {
        let server = try PageServer(["/status": StoreTests.status, "/metrics": StoreTests.metrics])
        let address = try #require(ServiceAddress("127.0.0.1:\(server.port)"))
        let pages = ServicePages(addresses: [address], clock: .init())
        pages.ask()
        #expect(pages.services[0].writer != nil && pages.services[0].writer?.metrics == nil)
        pages.ask(withMetrics: true)
        #expect(pages.services[0].writer?.metrics?.rows == 1_000)
    }

    @Test("a gateway's instruments are read only while somebody looks at them")
    func instruments() throws {
        let server = try PageServer([
            "/status": #"{"gateway":{"source":"s","role":"active","provider":"synthetic"}}"#
        ])
        let address = try #require(ServiceAddress("127.0.0.1:\(server.port)"))
        let pages = ServicePages(addresses: [address], clock: .init())
        pages.ask()
        #expect(pages.services[0].source == "s" && pages.services[0].feeds.isEmpty)
        pages.ask(withFeeds: true)
        #expect(pages.services[0].feeds.map(\.source) == ["s"])
    }
}
