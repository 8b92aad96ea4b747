import GraphLanguage
import ServiceRuntime

/// `--check-graph FILE`: whether a graph is right, and how it looks.
enum GraphCheck {
    static let question = ServiceDescription.Question(
        "--check-graph", "FILE",
        "Say what is wrong with a graph, or print it as text and as Mermaid, and stop."
    ) { path, read in
        do throws(GraphProblems) {
            let drawing = GraphDrawing(try GraphFile.read(path, GraphFiles(read)))
            return .success("\(drawing.text)\n```mermaid\n\(drawing.mermaid)```\n")
        } catch {
            return .failure(ServiceDescription.Question.Refusal(error.lines))
        }
    }
}

extension GraphFiles {
    /// The process' own files, or those of a test.
    init(_ read: @escaping FileReading) {
        self.init { path, bytesMax in
            read(path, bytesMax).map(\.bytes).mapError { GraphFileFailure("\($0)") }
        }
    }
}
