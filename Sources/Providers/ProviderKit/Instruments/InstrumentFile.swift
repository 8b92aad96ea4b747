package import MarketModel
package import YAMLFile

/// Reads lists of instruments, with the lists that they include.
package enum InstrumentFile {
    /// The most files of one reading, including included ones. Naming more is an error.
    package static let filesMax = 64

    package typealias Read =
        @Sendable (_ path: String, _ bytesMax: Int) -> Result<[UInt8], FileFailure>

    /// Returns each symbol once, in the order of the files: a file's own instruments before those
    /// of the files that it includes. All mistakes are thrown together.
    package static func read(
        _ paths: [String], _ read: @escaping Read
    ) throws(FileMistakes) -> [Instrument] {
        var reader = InstrumentReader(read: read)
        for path in paths { reader.read(path) }
        return try reader.finish(paths)
    }
}
