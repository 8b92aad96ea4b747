internal import Glibc

/// The content of a file and its permissions.
public struct FileContent: Equatable, Sendable {
    public let bytes: [UInt8]
    /// The permission bits, `0o640`.
    public let mode: UInt32

    public init(bytes: [UInt8], mode: UInt32 = 0o600) {
        self.bytes = bytes
        self.mode = mode
    }
}

/// Why a file could not be read.
public enum FileProblem: Error, Equatable, Sendable, CustomStringConvertible {
    case cannotOpen(code: Int32)
    case cannotRead(code: Int32)
    case notAFile
    case tooLarge(bytesMax: Int)

    public var description: String {
        switch self {
        case .cannotOpen(let code): "cannot be opened: \(Self.text(code))"
        case .cannotRead(let code): "cannot be read: \(Self.text(code))"
        case .notAFile: "is no regular file: name one (in a cluster of compose by .env)"
        case .tooLarge(let bytesMax): "is larger than \(bytesMax) bytes"
        }
    }

    private static func text(_ code: Int32) -> String {
        // Safety: the C library's own text, copied immediately.
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe "\(String(cString: text)) (errno \(code))"
    }
}

/// Reads a file for the loader, from a path and the most bytes that the loader wants.
public typealias FileReading =
    @Sendable (_ path: String, _ bytesMax: Int) -> Result<FileContent, FileProblem>

/// The process's own files and environment.
public enum ConfigurationFiles {
    /// Reads a complete regular file. Pipes and devices are refused, because reading them could
    /// wait for ever.
    public static let read: FileReading = { path, bytesMax in
        // Safety: a descriptor of ours, closed below.
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return .failure(.cannotOpen(code: errno)) }
        defer { close(file) }
        var status = stat()
        // Safety: the call fills `status`.
        guard unsafe fstat(file, &status) == 0 else { return .failure(.cannotRead(code: errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { return .failure(.notAFile) }
        return bytes(of: file, bytesMax).map {
            FileContent(bytes: $0, mode: status.st_mode & 0o7777)
        }
    }

    private static func bytes(of file: Int32, _ bytesMax: Int) -> Result<[UInt8], FileProblem> {
        // One byte more than allowed shows that a file is too large.
        var buffer = [UInt8](repeating: 0, count: bytesMax + 1)
        var done = 0
        while done < buffer.count {
            // Safety: writes into the part of the array after `done`.
            let count = unsafe buffer.withUnsafeMutableBytes { part in
                unsafe Glibc.read(file, part.baseAddress?.advanced(by: done), part.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return .failure(.cannotRead(code: errno)) }
            if count == 0 { return .success(Array(buffer[..<done])) }
            done += count
        }
        return .failure(.tooLarge(bytesMax: bytesMax))
    }

    /// Returns the present environment; of a duplicate name the first. Call it before any thread
    /// starts.
    public static func environment() -> [String: String] {
        var variables: [String: String] = [:]
        var index = 0
        // Safety: a list of C strings that ends with a null pointer; each is copied.
        while let entry = unsafe environ[index] {
            let text = unsafe String(cString: entry)
            index += 1
            guard let equals = text.firstIndex(of: "=") else { continue }
            let name = String(text[..<equals])
            if variables[name] == nil {
                variables[name] = String(text[text.index(after: equals)...])
            }
        }
        return variables
    }
}
