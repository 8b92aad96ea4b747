import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool

/// Which process `tapeline page` asks.
@Suite("tapeline page") struct PageSearchTests {
    private static func known(_ name: String, _ service: String, _ port: UInt16) -> PageSearch.Known
    {
        PageSearch.Known(name: name, service: service, host: "10.0.0.1", port: port)
    }

    private static let all = [
        known("store-writer-1", "store-writer", 1), known("store-writer-11", "store-writer", 2),
        known("g", "provider-gateway", 3),
    ]

    private func problem(_ name: String, _ all: [PageSearch.Known] = all) -> String? {
        do throws(ToolError) {
            _ = try PageSearch(name: name).chosen(all)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test("a name is the whole name, and that of a service means its only process")
    func chosen() throws {
        #expect(try PageSearch(name: "store-writer-1").chosen(Self.all).port == 1)
        #expect(try PageSearch(name: "provider-gateway").chosen(Self.all).port == 3)
        #expect(
            problem("store-writer")
                == "'store-writer' are 2 processes: name one of store-writer-1, store-writer-11")
        #expect(
            problem("store-w")
                == "no process 'store-w' answers; these do: g, store-writer-1, store-writer-11")
        #expect(
            problem("g", [])
                == "no process answers: 'tapeline status' and 'tapeline doctor' say why")
    }

    @Test("an answer on NATS names the member and its page; what is of others is left out")
    func answers() throws {
        let names = try #require(TapeNames(namespace: "md", partitions: 4))
        func known(_ metadata: String) -> PageSearch.Known? {
            PageSearch.known(
                Array("{\"name\":\"store-writer\",\"metadata\":{\(metadata)}}".utf8), names)
        }
        let page = #""namespace":"md","operations":"10.0.0.7:8502","host":"c0ffee""#
        #expect(
            known("\(page),\"member\":\"w-1\"")
                == PageSearch.Known(
                    name: "w-1", service: "store-writer", host: "10.0.0.7", port: 8_502))
        #expect(known("\(page),\"member\":\"\"")?.name == "c0ffee-8502")
        #expect(known(page.replacing("\"md\"", with: "\"other\"")) == nil)
        #expect(known(#""namespace":"md","operations":"nowhere""#) == nil)
        #expect(PageSearch.known(Array("[]".utf8), names) == nil)
    }

    @Test("without NATS a service's name is its host, at the port of its settings and of compose")
    func withoutNats() throws {
        let compose = try CheckoutFiles.text("docker-compose.yml")
        for (name, port) in PageSearch.usualPorts {
            let found = try PageSearch(name: name).withoutNats("it is away")
            #expect(found.host == name && found.port == port)
            #expect(found.advice?.contains("(it is away): ask it itself") == true)
            #expect(compose.contains("\n  \(name):\n"), "\(name)")
            let service = name.replacing("-standby", with: "")
            let defaults = try CheckoutFiles.text("services/\(service)/default.env")
            #expect(defaults.contains("\nOPS_PORT=\(port)\n"), "\(name)")
        }
        #expect(throws: ToolError.self) {
            try PageSearch(name: "store-writer-1").withoutNats("it is away")
        }
    }

    @Test("a page begins with a slash")
    func path() throws {
        #expect(try PageCommand.parse(["w"]).path == "/status")
        #expect(try PageCommand.parse(["w", "/readyz"]).path == "/readyz")
        #expect(throws: ToolError.self) { try PageCommand.parse(["w", "readyz"]) }
        #expect(throws: ToolError.self) { try PageCommand.parse([]) }
    }
}
