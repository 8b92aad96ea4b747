public import MarketModel
public import YAMLFile

/// Reads lists of instruments, with the lists that they include.
public enum InstrumentFile {
    /// Files read at once, those that are included among them; of more, the rest is an error.
    public static let filesMax = 64

    public typealias Read =
        @Sendable (_ path: String, _ bytesMax: Int) -> Result<[UInt8], FileFailure>

    /// Each symbol once, in the order of the files: a file's own before those that it includes.
    /// All that is wrong is thrown at once.
    public static func read(
        _ paths: [String], _ read: @escaping Read
    ) throws(FileMistakes) -> [Instrument] {
        var reader = InstrumentReader(read: read)
        for path in paths { reader.read(path) }
        return try reader.finish(paths)
    }
}
