internal import Glibc
package import MarketModel

/// Why the spool could not be used. Its content stays as it is.
package enum SpoolError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A call of the operating system failed.
    case system(operation: String, path: String, code: SystemCode)
    /// Another process uses this folder.
    case inUse(path: String, by: String)
    /// The content was spooled by the gateway of another source.
    case otherSource(path: String, found: String, wanted: SourceName)
    /// A file has content that this version does not know.
    case unknownVersion(path: String)
    /// The packet is larger than any packet of the tape may be.
    case tooLarge(packetBytes: Int, bytesMax: Int)

    /// An `errno`. Unknown codes are kept.
    package struct SystemCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        package let rawValue: Int32

        package init(rawValue: Int32) { self.rawValue = rawValue }

        static var current: SystemCode { SystemCode(rawValue: errno) }
        static let isNotThere = SystemCode(rawValue: ENOENT)

        /// The disk is full, and not damaged.
        package var isFull: Bool {
            rawValue == ENOSPC || rawValue == EDQUOT || rawValue == EFBIG
        }

        package var description: String {
            var text = [CChar](repeating: 0, count: 128)
            guard unsafe strerror_r(rawValue, &text, text.count) == 0 else {
                return "error \(rawValue)"
            }
            return String(
                decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    /// Whether the same call may succeed later.
    package var isRetryable: Bool {
        switch self {
        case .system(_, _, let code): return code.isFull || code.rawValue == EIO
        case .inUse: return true
        case .otherSource, .unknownVersion, .tooLarge: return false
        }
    }

    package var description: String {
        switch self {
        case .system(let operation, let path, let code):
            return "cannot \(operation) \(path): \(code); \(Self.remedy(code))"
        case .inUse(let path, let by):
            return "the spool \(path) is in use by \(by); give each gateway a folder of its own"
        case .otherSource(let path, let found, let wanted):
            return "the spool \(path) belongs to source '\(found)', not to '\(wanted)'; "
                + "let that gateway empty it, or use another folder"
        case .unknownVersion(let path):
            return "\(path) was written by a newer version; use that one, or another folder"
        case .tooLarge(let packetBytes, let bytesMax):
            return "a packet of \(packetBytes) bytes is above the \(bytesMax) bytes that one may "
                + "have; make packets smaller"
        }
    }

    private static func remedy(_ code: SystemCode) -> String {
        switch code.rawValue {
        case EACCES, EPERM, EROFS: return "make the folder writable for this user"
        case ENOSPC, EDQUOT, EFBIG: return "free some space on that disk"
        case ENOENT, ENOTDIR: return "make the folder, or name another one"
        default: return "look at that disk"
        }
    }

    /// Returns the error of a system call that has just failed, with the present `errno`.
    static func failed(_ operation: String, _ path: String) -> SpoolError {
        .system(operation: operation, path: path, code: .current)
    }
}
