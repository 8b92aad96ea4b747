internal import Glibc
internal import ServiceRuntime

/// A file of lines that is written in large pieces.
final class LineFile {
    private static let piece = 256 << 10

    private let path: String
    private let descriptor: Int32
    private var bytes: [UInt8] = []

    init(_ path: String) throws(SimulatorFailure) {
        self.path = path
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        if descriptor < 0 { throw .log(path, SystemErrorCode(rawValue: errno)) }
    }

    deinit { close(descriptor) }

    func add(_ more: [UInt8]) throws(SimulatorFailure) {
        bytes += more
        if bytes.count >= Self.piece { try flush() }
    }

    func flush() throws(SimulatorFailure) {
        guard !bytes.isEmpty else { return }
        guard Self.writeAll(bytes[...], to: descriptor) else {
            throw .log(path, SystemErrorCode(rawValue: errno))
        }
        bytes.removeAll(keepingCapacity: true)
    }

    @discardableResult
    static func writeAll(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
