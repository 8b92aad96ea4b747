import MarketModel
import Primitives
import ServiceRuntime

/// What the services say of themselves at one moment of the demo.
struct DemoSample: Sendable {
    /// nil: the service did not answer.
    var gateway: Gateway?
    var writer: Writer?
    /// The oldest watermark over all partitions with ticks.
    var watermarks: [String] = []
    var operatorsAnswer = 0

    struct Gateway: Sendable {
        var generated: UInt64 = 0
        var finished = false
        var onTape: UInt64 = 0
    }

    struct Writer: Sendable {
        var ticks: UInt64 = 0
        var bars: UInt64 = 0
        var problems: [String] = []
    }

    static let probeTimeout: Duration = .seconds(2)

    static func take(_ ports: StackPorts) -> DemoSample {
        var sample = DemoSample()
        if let status = status(ports[.gateway]), let gateway = status["gateway"] {
            sample.gateway = Gateway(
                generated: gateway["generated"]?.uint64 ?? 0,
                finished: gateway["finished"]?.bool ?? false,
                onTape: (gateway["partitions"]?.array ?? [])
                    .reduce(0) { $0 + ($1["last_ordinal"]?.uint64 ?? 0) })
        }
        if let status = status(ports[.writer]), let positions = status.at("writer", "positions") {
            sample.writer = writer(positions.array ?? [])
        }
        for port in [ports[.operatorA], ports[.operatorB]] {
            guard let status = status(port),
                let partitions = status.at("operator", "partitions")?.array
            else { continue }
            sample.operatorsAnswer += 1
            for partition in partitions where (partition["trades"]?.uint64 ?? 0) > 0 {
                if let watermark = partition["watermark"]?.string {
                    sample.watermarks.append(watermark)
                }
            }
        }
        return sample
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
            if let problem = position["problem"]?.string { writer.problems.append(problem) }
        }
        return writer
    }

    private static func status(_ port: UInt16) -> JSONValue? {
        do {
            let answer = try HTTPProbe.get(
                host: StackPlan.loopback, port: port, path: "/status", timeout: probeTimeout)
            return answer.status == 200 ? try JSONValue.parse(answer.body) : nil
        } catch {
            // A service that is being restarted: the next sample has it again.
            return nil
        }
    }
}
