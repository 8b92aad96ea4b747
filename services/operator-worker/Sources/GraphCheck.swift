import GraphLanguage
import OperatorGraph
import ServiceRuntime
import YAMLFile

/// The option `--check-graph FILE`: reports the problems of a graph, or draws it.
enum GraphCheck {
    /// Returns the option for a program with these custom operators.
    static func question(_ operators: TickOperators) -> ServiceDescription.Question {
        ServiceDescription.Question(
            "--check-graph", "FILE",
            "Say what is wrong with a graph, or print it as text and as Mermaid, and stop."
        ) { path, read in
            do throws(GraphProblems) {
                let program = try GraphProgram.read(path, operators, read)
                let drawing = GraphDrawing(program.definition)
                return .success("\(drawing.text)\n```mermaid\n\(drawing.mermaid)```\n")
            } catch {
                return .failure(ServiceDescription.Question.Refusal(error.lines))
            }
        }
    }
}

extension GraphProgram {
    /// Reads a graph's file, and returns the graph ready to run with a program's custom operators.
    static func read(
        _ path: String, _ operators: TickOperators, _ read: @escaping FileReading
    ) throws(GraphProblems) -> GraphProgram {
        let definition = try GraphFile.read(path, GraphFiles(operators, read))
        do throws(TickOperatorError) {
            return try GraphProgram(definition, operators: operators)
        } catch {
            throw GraphProblems([GraphProblem(file: path, position: nil, what: "\(error)")])
        }
    }
}

extension GraphFiles {
    /// Makes the reader of a graph's files. `read` reads the process's own files, or those of a
    /// test.
    init(_ operators: TickOperators, _ read: @escaping FileReading) {
        self.init(customOperators: Set(operators.names)) { path, bytesMax in
            read(path, bytesMax).map(\.bytes).mapError { GraphFileFailure("\($0)") }
        }
    }
}
