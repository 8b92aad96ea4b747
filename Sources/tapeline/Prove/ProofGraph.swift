import OperatorGraph
import StreamCore

/// The graph by whose definition bars are proven: the one that the operators have.
enum ProofGraph {
    static let seriesKey = "OPERATOR_SERIES"

    /// From the environment, as the operator worker reads it.
    static func find(_ environment: [String: String]) throws(ToolError) -> GraphDefinition {
        let text = environment[seriesKey].flatMap { $0.isEmpty ? nil : $0 } ?? "1s,1m"
        let names = text.split(separator: ",").map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        do throws(StreamCoreError) {
            return .simple(try BarSeriesSet(names))
        } catch {
            throw .configuration(["\(seriesKey): \(error)"])
        }
    }
}
