import DeploymentWatch
import MarketModel
import Primitives

/// The services' reports at one moment of the demo.
struct DemoSample: Sendable {
    /// `nil` if the service did not answer.
    var gateway: Gateway?
    var writer: Writer?
    var operatorsAnswer = 0

    struct Gateway: Sendable {
        var onTape: UInt64 = 0
        /// The broker, as the gateway sees it.
        var broker: ProviderView?
    }

    struct Writer: Sendable {
        var ticks: UInt64 = 0
        var bars: UInt64 = 0
    }

    static let probeTimeout: Duration = .seconds(2)

    static func take(_ ports: StackPorts) -> DemoSample {
        var sample = DemoSample()
        if let status = status(ports[.gateway]), let gateway = status["gateway"] {
            sample.gateway = Gateway(
                onTape: (gateway["partitions"]?.array ?? [])
                    .reduce(0) { $0 + ($1["last_ordinal"]?.uint64 ?? 0) },
                broker: ProviderView.all(status).first)
        }
        if let status = status(ports[.writer]), let positions = status.at("writer", "positions") {
            sample.writer = writer(positions.array ?? [])
        }
        for port in [ports[.operatorA], ports[.operatorB]]
        where status(port)?.at("operator", "partitions") != nil {
            sample.operatorsAnswer += 1
        }
        return sample
    }

    private static func status(_ port: UInt16) -> JSONValue? {
        OperationsPage.status(port, timeout: probeTimeout)
    }

    private static func writer(_ positions: [JSONValue]) -> Writer {
        var writer = Writer()
        for position in positions {
            let count = (position["sources"]?.array ?? [])
                .reduce(UInt64(0)) { $0 + ($1["last_ordinal"]?.uint64 ?? 0) }
            if position["input"]?.string == "ticks" {
                writer.ticks += count
            } else {
                writer.bars += count
            }
        }
        return writer
    }
}
