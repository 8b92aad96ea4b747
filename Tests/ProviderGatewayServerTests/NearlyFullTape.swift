import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport

@testable import ProviderGateway
@testable import ProviderGatewayTests

/// The shipped gateway as a process, and a tape on a real nats-server that has nearly no room. Most
/// of each stream is ballast, which a test can remove.
struct NearlyFullTape {
    /// A stream with less than a tenth of this left is low.
    private static let streamBytes: Int64 = 2 << 20
    private static let ballastMessageBytes = 16 * 1_024
    private static let ballastPercent: Int64 = 87

    struct Incomplete: Error, CustomStringConvertible {
        let description: String
    }

    let server: NatsServer
    let tape: TestTape
    let folder: TemporaryFolder
    private let settings: [String: String]

    init(_ namespace: String, _ settings: [String: String]) throws {
        server = try NatsServer()
        tape = try TestTape(server, namespace: namespace, bytesMax: Self.streamBytes)
        folder = try TemporaryFolder(namespace)
        self.settings = settings.merging([
            "GATEWAY_SPOOL": folder.file("spool"), "SYNTHETIC_MISSED": "lost",
        ]) { $1 }
        for stream in 0..<TapeNames.tickStreams { try load(stream) }
    }

    /// Returns a subject that no reader of the test requests.
    private func ballast(_ stream: Int) -> String {
        "\(tape.names.namespace).wm.\(stream).ballast"
    }

    private func load(_ stream: Int) throws {
        let payload = [UInt8](repeating: 0, count: Self.ballastMessageBytes)
        let count = Self.streamBytes * Self.ballastPercent / 100 / Int64(payload.count)
        let messages = (0..<count).map {
            IdentifiedMessage(payload: payload, id: "\(stream)-\($0)")
        }
        let (outcomes, failure) = tape.client.jetStream.publish(messages, to: ballast(stream))
        if let failure { throw failure }
        guard outcomes.allSatisfy({ $0 != nil }) else {
            throw Incomplete(description: "the ballast of stream \(stream) is not whole")
        }
    }

    /// Makes room again, as a purge by the keeper does.
    func unload() throws {
        for stream in 0..<TapeNames.tickStreams {
            let name = tape.names.tickStream(stream)
            let last = try tape.client.jetStream.streamInfo(name)?.lastSequence ?? 0
            _ = try tape.client.jetStream.purge(
                stream: name, subject: ballast(stream), below: last + 1)
        }
    }

    func start() throws -> BrokerGateway {
        try BrokerGateway(
            tape.environment.merging(settings) { $1 }.merging([
                "GATEWAY_PROVIDER": "synthetic", "GATEWAY_SOURCE": "synthetic",
            ]) { $1 }, log: folder.file("gateway.log"))
    }

    /// The settings that the process has.
    var gatewaySettings: GatewaySettings {
        get throws { try TestGateway(tape, settings).settings }
    }

    func count() throws -> UInt64 {
        try tape.tickCount(source: gatewaySettings.source)
    }

    func report() throws -> MarketAudit.Report {
        try TapeAudit.report(tape, gatewaySettings)
    }
}

extension BrokerGateway {
    func leftOut(_ kind: String) -> Double {
        metric("mds_gateway_left_out_ticks_total", "kind=\"\(kind)\"") ?? 0
    }

    var isPressed: Bool { status?.at("gateway", "policies_act")?.bool == true }

    func count(of event: String) -> Int { events.count { $0["event"]?.string == event } }
}
