import GraphLanguage
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TapeTransport
import YAMLFile

/// The settings of the operator worker, from its configuration.
struct OperatorSettings: Sendable {
    /// The graph that is computed.
    var program: GraphProgram
    /// The maximum size of the stream of bars, if it is made here.
    var streamBytesMax: Int64
    /// How long the service may take to hand all partitions over when it stops. In this time it
    /// publishes bars, stores last checkpoints and informs the other members. It is longer than the
    /// 5 s that the release of a partition may take.
    var drainNanoseconds: Int64 = 6_500_000_000

    /// A source that sends nothing for this long while others continue is reported.
    var sourcePatienceNanoseconds: Int64 = 60_000_000_000

    /// Whether bars are also published to live readers over core NATS.
    var isLive: Bool
    /// The generation of the graph's bars.
    var generation: UInt32

    static let keys: [ConfigurationKey] =
        ConfigurationKey.tape + ConfigurationKey.membership
        + ConfigurationKey.operations(port: 8_501) + ConfigurationKey.logging
        + ConfigurationKey.tracing
        + [
            ConfigurationKey(
                "OPERATOR_SERIES", .list, default: "1s,1m", group: "Operator",
                "Bar series: a number and s, m, h or d each; a divisor of a day."),
            ConfigurationKey(
                "OPERATOR_GRAPH", .text, group: "Operator",
                "Path of a graph (YAML); empty: bars of all trades by OPERATOR_SERIES."),
            ConfigurationKey(
                "OPERATOR_GENERATION", .integer(1...Int(UInt32.max)), default: "1",
                group: "Operator",
                "Number of the bars' definition; raise it when the series change."),
            ConfigurationKey(
                "OPERATOR_LIVE", .flag, default: "true", group: "Operator",
                "Whether bars are told live over core NATS, one subject per symbol and source."),
        ]

    /// Returns the rule that checks the graph or the series, so that their problems are reported
    /// together with those of all other keys.
    static func rule(_ operators: TickOperators) -> ConfigurationRule {
        .of(reads: ["OPERATOR_SERIES", "OPERATOR_GRAPH"]) { _ = try program($0, operators) }
    }

    init(
        _ configuration: Configuration, operators: TickOperators = .ofThisProgram
    ) throws(SettingsError) {
        program = try Self.program(configuration, operators)
        generation = UInt32(clamping: configuration.integer("OPERATOR_GENERATION"))
        isLive = configuration.flag("OPERATOR_LIVE")
        streamBytesMax = Int64(configuration.integer("MDS_STREAM_BYTES"))
    }

    /// Returns the graph of `OPERATOR_GRAPH`, or else that of `OPERATOR_SERIES`.
    private static func program(
        _ configuration: Configuration, _ operators: TickOperators
    ) throws(SettingsError) -> GraphProgram {
        if let path = configuration.optionalText("OPERATOR_GRAPH") {
            do throws(GraphProblems) {
                return try GraphProgram.read(path, operators, ConfigurationFiles.read)
            } catch {
                throw SettingsError(
                    error.lines.map { "OPERATOR_GRAPH: \($0)" }.joined(separator: "\n"))
            }
        }
        do throws(StreamCoreError) {
            let series = try BarSeriesSet(configuration.list("OPERATOR_SERIES"))
            return GraphProgram(.simple(series))
        } catch {
            throw SettingsError("OPERATOR_SERIES: \(error)")
        }
    }

    /// The hash of the graph that makes the bars. Each marker on the tape of bars carries it.
    var definition: UInt64 { program.hash }
}
