import GraphLanguage
import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TapeTransport
import YAMLFile

/// What the operator worker does, from its configuration.
struct OperatorSettings: Sendable {
    /// The graph that is computed.
    var program: GraphProgram
    /// The key from which that graph is.
    var definitionKey: String
    var streamBytesMax: Int64
    /// How long it may take to hand all partitions over when the service stops: bars get onto the
    /// tape, last checkpoints into their bucket, and the others have to hear of it. A call to the
    /// bucket may still be under way then.
    var drainNanoseconds: Int64 = 6_500_000_000

    /// A source that says nothing for so long while others go on is told of.
    var sourcePatienceNanoseconds: Int64 = 60_000_000_000

    /// Whoever listens is told of each bar that stands on the tape.
    var isLive: Bool
    /// Which run of definitions the bars belong to.
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

    /// What is wrong with the bars is said together with what is wrong with all other keys.
    static func rule(_ operators: TickOperators) -> ConfigurationRule {
        .of(reads: ["OPERATOR_SERIES", "OPERATOR_GRAPH"]) { _ = try program($0, operators) }
    }

    init(
        _ configuration: Configuration, operators: TickOperators = .ofThisProgram
    ) throws(SettingsError) {
        (program, definitionKey) = try Self.program(configuration, operators)
        generation = UInt32(clamping: configuration.integer("OPERATOR_GENERATION"))
        isLive = configuration.flag("OPERATOR_LIVE")
        streamBytesMax = Int64(configuration.integer("MDS_STREAM_BYTES"))
    }

    private static func program(
        _ configuration: Configuration, _ operators: TickOperators
    ) throws(SettingsError) -> (GraphProgram, key: String) {
        if let path = configuration.optionalText("OPERATOR_GRAPH") {
            do throws(GraphProblems) {
                let program = try GraphProgram.read(path, operators, ConfigurationFiles.read)
                return (program, "OPERATOR_GRAPH")
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

    /// What the bars are computed by: a marker on the tape carries it.
    var definition: UInt64 { program.hash }
}
