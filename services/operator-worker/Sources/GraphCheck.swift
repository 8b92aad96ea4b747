import GraphLanguage
import OperatorGraph
import ServiceRuntime
import YAMLFile

/// Implements `--check-graph FILE`: reports whether a graph is right, and shows it.
enum GraphCheck {
    static let question = ServiceDescription.Question(
        "--check-graph", "FILE",
        "Say what is wrong with a graph, or print it as text and as Mermaid, and stop."
    ) { path, read in
        do throws(GraphProblems) {
            let program = try GraphProgram.read(path, GraphFiles(read))
            let drawing = GraphDrawing(program.definition)
            return .success("\(drawing.text)\n```mermaid\n\(drawing.mermaid)```\n")
        } catch {
            return .failure(ServiceDescription.Question.Refusal(error.lines))
        }
    }
}

extension GraphProgram {
    /// Reads a graph's file and makes it ready to run with this program's custom operators.
    static func read(_ path: String, _ files: GraphFiles) throws(GraphProblems) -> GraphProgram {
        let definition = try GraphFile.read(path, files)
        do throws(TickOperatorError) {
            return try GraphProgram(definition, operators: .ofThisProgram)
        } catch {
            throw GraphProblems([GraphProblem(file: path, position: nil, what: "\(error)")])
        }
    }
}

extension GraphFiles {
    /// Reads with the process's own files, or those of a test.
    init(_ read: @escaping FileReading) {
        self.init(customOperators: Set(TickOperators.ofThisProgram.names)) { path, bytesMax in
            read(path, bytesMax).map(\.bytes).mapError { GraphFileFailure("\($0)") }
        }
    }
}
