internal import Glibc

/// Why letters could not be written to a folder, or read from it. One line.
package enum DeadLetterFileError: Error, Hashable, Sendable, CustomStringConvertible {
    case system(operation: String, path: String, code: Int32)
    /// The largest number of files is reached and all are full.
    case full(folder: String, files: Int)
    /// A line is no letter; the lines before it were read.
    case damaged(path: String, line: Int, problem: String)

    static func failed(_ operation: String, _ path: String) -> DeadLetterFileError {
        .system(operation: operation, path: path, code: errno)
    }

    package var description: String {
        switch self {
        case .system(let operation, let path, let code):
            "cannot \(operation) \(path): \(Self.text(code)); look at that folder and its disk"
        case .full(let folder, let files):
            "\(folder) holds \(files) full files of dead letters: bring NATS back, or move them "
                + "away"
        case .damaged(let path, let line, let problem):
            "line \(line) of \(path) cannot be read: \(problem)"
        }
    }

    private static func text(_ code: Int32) -> String {
        var text = [CChar](repeating: 0, count: 128)
        guard unsafe strerror_r(code, &text, text.count) == 0 else { return "error \(code)" }
        return String(
            decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
