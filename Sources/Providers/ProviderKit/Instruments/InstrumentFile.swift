package import MarketModel
package import YAMLFile

/// Reads the lists of instruments that `GATEWAY_INSTRUMENTS` names, with the lists that they
/// include.
package enum InstrumentFile {
    /// The most files of one reading, including included ones. More are a mistake.
    package static let filesMax = 64

    /// Returns the content of a file, or why it cannot be read. A file of more than `bytesMax`
    /// bytes is a failure.
    package typealias Read =
        @Sendable (_ path: String, _ bytesMax: Int) -> Result<[UInt8], FileFailure>

    /// Returns the instruments, each symbol once, in the order of the files: a file's own
    /// instruments before those of the files that it includes. All mistakes are thrown together.
    package static func read(
        _ paths: [String], _ read: @escaping Read
    ) throws(FileMistakes) -> [Instrument] {
        var reader = InstrumentReader(read: read)
        for path in paths { reader.read(path) }
        return try reader.finish(paths)
    }
}
