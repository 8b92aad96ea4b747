import Primitives

/// The files of a support bundle: each and all together bounded, and without secrets. Pure.
struct SupportBundle: Sendable {
    /// The most bytes of one file. Of a log the end is kept, of everything else the beginning.
    static let fileBytesMax = 1 << 20
    static let bytesMax = 32 << 20

    struct File: Equatable, Sendable {
        let name: String
        let content: [UInt8]
        let meaning: String
        /// The bytes that were left out. 0 if it is complete.
        let leftOut: Int
    }

    private let filter: SecretFilter
    private(set) var files: [File] = []
    /// What is not inside, each with the reason.
    private(set) var absent: [String] = []

    private let bytesMax: Int

    init(_ filter: SecretFilter, bytesMax: Int = Self.bytesMax) {
        self.filter = filter
        self.bytesMax = bytesMax
    }

    var bytes: Int { files.reduce(0) { $0 + $1.content.count } }

    /// Adds a file. A name that an archive does not take is changed.
    mutating func add(
        _ name: String, _ content: [UInt8], _ meaning: String, keepsEnd: Bool = false
    ) {
        let name = Self.safe(name)
        // Clean before the cut: half of a secret would not be recognised.
        let clean = filter.cleaned(content)
        let kept =
            keepsEnd ? clean.suffix(Self.fileBytesMax) : clean.prefix(Self.fileBytesMax)
        guard bytes + kept.count <= bytesMax else {
            absent.append("\(name): the bundle has \(bytesMax >> 20) MiB already")
            return
        }
        files.append(
            File(
                name: name, content: Array(kept), meaning: meaning,
                leftOut: clean.count - kept.count))
    }

    mutating func addAbsent(_ reason: String) {
        absent.append(String(decoding: filter.cleaned(Array(reason.utf8)), as: UTF8.self))
    }

    /// The list of what is inside, and of what is not.
    var contents: [String] {
        var rows = [["FILE", "SIZE", "WHAT IT IS"]]
        for file in files {
            let cut =
                file.leftOut > 0
                ? " (\(TapeReport.bytes(UInt64(file.leftOut))) more were left out)" : ""
            rows.append([
                file.name, TapeReport.bytes(UInt64(file.content.count)), file.meaning + cut,
            ])
        }
        return TextTable.lines(rows, numbers: [1])
            + (absent.isEmpty ? [] : ["", "Not inside:"] + absent.map { "  \($0)" })
    }

    /// The archive, with the list as its first file. `folder` is the folder that it unpacks to; a
    /// name that an archive does not take is changed.
    func archive(folder: String, at now: Timestamp) -> [UInt8] {
        var archive = TarArchive()
        let folder = Self.safeFolder(folder)
        let seconds = now.isDefined ? now.nanoseconds / 1_000_000_000 : 0
        let list = contents.joined(separator: "\n") + "\n"
        archive.add("\(folder)/CONTENTS.txt", Array(list.utf8), seconds: seconds)
        for file in files {
            archive.add("\(folder)/\(file.name)", file.content, seconds: seconds)
        }
        return archive.finished
    }

    /// The most bytes of a name. The folder comes before it.
    private static let nameBytesMax = 60

    private static let folderBytesMax = 30

    /// Returns a folder below the one in which the archive is unpacked.
    static func safeFolder(_ name: String) -> String {
        let plain = safe(name, folderBytesMax).map { $0 == "/" ? "_" : $0 }
        let name = String(plain.drop { $0 == "." || $0 == "-" })
        return name.isEmpty ? "bundle" : name
    }

    private static func safe(_ name: String, _ bytesMax: Int = Self.nameBytesMax) -> String {
        let bytes = name.utf8.prefix(bytesMax).map { byte in
            let isPlain =
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
                || (0x61...0x7a).contains(byte) || "-._/".utf8.contains(byte)
            return isPlain ? byte : UInt8(ascii: "_")
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
