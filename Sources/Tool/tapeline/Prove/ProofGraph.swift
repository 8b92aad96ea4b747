import GraphLanguage
import OperatorGraph
import ServiceRuntime
import StreamCore
import YAMLFile

/// Finds the graph by which bars are proven. It is the one that the operators run.
enum ProofGraph {
    static let graphKey = "OPERATOR_GRAPH"
    static let seriesKey = "OPERATOR_SERIES"

    /// Returns the graph that the environment names, by the same rules as the operator worker.
    static func find(
        _ environment: [String: String], read: @escaping FileReading = ConfigurationFiles.read
    ) throws(ToolError) -> GraphProgram {
        if let path = environment[graphKey], !path.isEmpty {
            let program = try program(path, read)
            guard program.definition.makesBars else {
                throw .configuration([
                    "\(graphKey): the graph \(path) makes no bars: there is nothing to prove"
                ])
            }
            return program
        }
        let text = environment[seriesKey].flatMap { $0.isEmpty ? nil : $0 } ?? "1s,1m"
        let names = text.split(separator: ",").map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
        do throws(StreamCoreError) {
            return GraphProgram(.simple(try BarSeriesSet(names)))
        } catch {
            throw .configuration(["\(seriesKey): \(error)"])
        }
    }

    /// Returns the graph of a file, whatever it makes.
    static func program(
        _ path: String, _ read: @escaping FileReading = ConfigurationFiles.read
    ) throws(ToolError) -> GraphProgram {
        let operators = TickOperators.ofThisProgram
        let files = GraphFiles(customOperators: Set(operators.names)) { path, bytesMax in
            read(path, bytesMax).map(\.bytes).mapError { GraphFileFailure("\($0)") }
        }
        do {
            let definition = try GraphFile.read(path, files)
            return try GraphProgram(definition, operators: operators)
        } catch let problems as GraphProblems {
            throw .configuration(problems.lines.map { "\(graphKey): \($0)" })
        } catch {
            throw .configuration(["\(graphKey): \(error)"])
        }
    }
}
