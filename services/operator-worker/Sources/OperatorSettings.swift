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
    /// The graph to compute.
    var program: GraphProgram
    /// The configuration key that names the graph.
    var definitionKey: String
    var streamBytesMax: Int64
    /// How long a stopping service may take to hand over all partitions. In this time bars get onto
    /// the tape, last checkpoints into their bucket, and the other workers learn of it. A call to
    /// the bucket may still be running at its end.
    var drainNanoseconds: Int64 = 6_500_000_000

    /// How long a source may send nothing while others continue, before it is reported.
    var sourcePatienceNanoseconds: Int64 = 60_000_000_000

    /// Whether each bar on the tape is also published to live readers.
    var isLive: Bool
    /// The generation of the bars: which version of the definition they belong to.
    var generation: UInt32

    static let keys: [ConfigurationKey] =
        ConfigurationKey.tape + ConfigurationKey.membership
        + ConfigurationKey.operations(port: 8_501) + ConfigurationKey.logging
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
                "Whether bars are told live over core NATS, one subject per symbol."),
        ]

    /// Checks the definition of the bars, so that its problems are reported together with those of
    /// all other keys.
    static let rule = ConfigurationRule.of(reads: ["OPERATOR_SERIES", "OPERATOR_GRAPH"]) {
        _ = try program($0)
    }

    init(_ configuration: Configuration) throws(SettingsError) {
        (program, definitionKey) = try Self.program(configuration)
        generation = UInt32(clamping: configuration.integer("OPERATOR_GENERATION"))
        isLive = configuration.flag("OPERATOR_LIVE")
        streamBytesMax = Int64(configuration.integer("MDS_STREAM_BYTES"))
    }

    private static func program(
        _ configuration: Configuration
    ) throws(SettingsError) -> (GraphProgram, key: String) {
        if let path = configuration.optionalText("OPERATOR_GRAPH") {
            do throws(GraphProblems) {
                let files = GraphFiles(ConfigurationFiles.read)
                return (try GraphProgram.read(path, files), "OPERATOR_GRAPH")
            } catch {
                throw SettingsError(
                    error.lines.map { "OPERATOR_GRAPH: \($0)" }.joined(separator: "\n"))
            }
        }
        do throws(StreamCoreError) {
            let series = try BarSeriesSet(configuration.list("OPERATOR_SERIES"))
            return (GraphProgram(.simple(series)), "OPERATOR_SERIES")
        } catch {
            throw SettingsError("OPERATOR_SERIES: \(error)")
        }
    }

    /// The hash of the definition that computes the bars. A marker on the tape carries it.
    var definition: UInt64 { program.hash }
}
