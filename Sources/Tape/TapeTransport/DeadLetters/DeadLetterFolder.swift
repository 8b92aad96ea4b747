internal import Glibc

/// Files of dead letters for the time in which NATS takes none: one line of JSON each.
///
///     <folder>/letters-<number>.ndjson     the highest number is written, the others are closed
///     <folder>/lock                        several processes may share a folder
///
/// Letters that `append` accepted survive a power cut. Nothing is ever dropped: when all files are
/// full, it refuses.
package struct DeadLetterFolder: Sendable {
    package struct Limits: Sendable {
        /// The most bytes of a file; a single longer letter is accepted by an empty file.
        package var fileBytes = 16 * 1_024 * 1_024
        /// The most files.
        package var files = 8

        package init() {}
    }

    package let path: String
    private let limits: Limits

    private static let prefix = "letters-"
    private static let suffix = ".ndjson"
    private static let newline = UInt8(ascii: "\n")
    /// A torn end is searched within this many bytes before the end, because a line is shorter.
    private static let lineBytesMax = 1 << 20

    package init(_ path: String, limits: Limits = Limits()) {
        self.path = path
        self.limits = limits
    }

    /// A file that holds letters and is no longer written.
    package struct ClosedFile: Hashable, Sendable {
        package let path: String
        let number: Int
    }

    // MARK: writing

    /// When it returns, all letters are on the disk; otherwise it throws. Letters that were written
    /// before it threw stay. That does no harm, because a repeated letter has the same id.
    package func append(_ letters: [DeadLetter]) throws(DeadLetterFileError) {
        guard !letters.isEmpty else { return }
        try LetterFiles.makeFolder(path)
        let lock = try locked()
        var numbers = try numbers()
        var rest = letters[...]
        while !rest.isEmpty {
            let number = numbers.last ?? 1
            let taken = try append(rest, toFile: number, isNew: numbers.isEmpty)
            rest = rest.dropFirst(taken)
            if numbers.isEmpty { numbers = [number] }
            guard !rest.isEmpty else { break }
            guard numbers.count < limits.files else {
                throw .full(folder: path, files: numbers.count)
            }
            _ = try append([], toFile: number + 1, isNew: true)
            numbers.append(number + 1)
        }
        _ = consume lock
    }

    /// Appends as many as fit, and at least one to an empty file. Returns how many.
    private func append(
        _ letters: ArraySlice<DeadLetter>, toFile number: Int, isNew: Bool
    ) throws(DeadLetterFileError) -> Int {
        let file = try LetterFile(name(number), flags: O_RDWR | O_CREAT)
        let end = try Self.whole(file)
        var bytes: [UInt8] = []
        var taken = 0
        for letter in letters {
            let line = letter.json
            let size = end + bytes.count + line.count + 1
            guard size <= limits.fileBytes || end + bytes.count == 0 else { break }
            bytes.append(contentsOf: line)
            bytes.append(Self.newline)
            taken += 1
        }
        if taken > 0 {
            try file.write(bytes, at: end)
            try file.sync()
        }
        if isNew { try LetterFiles.syncFolder(path) }
        return taken
    }

    /// Cuts off a line that a crash has torn; its batch was never committed. Returns the length of
    /// the complete lines.
    private static func whole(_ file: borrowing LetterFile) throws(DeadLetterFileError) -> Int {
        let count = try file.byteCount()
        var end = count
        while end > 0 {
            let start = max(0, end - lineBytesMax)
            let piece = try file.read(from: start, count: end - start)
            if let mark = piece.lastIndex(of: newline) {
                end = start + mark + 1
                break
            }
            end = start
        }
        if end < count { try file.cut(to: end) }
        return end
    }

    // MARK: emptying

    /// Returns the files that hold letters, oldest first, without the one that is being written.
    package func closedFiles() throws(DeadLetterFileError) -> [ClosedFile] {
        try numbers().dropLast().map { ClosedFile(path: name($0), number: $0) }
    }

    /// Returns the number of files with letters, whether closed or not.
    package func fileCount() throws(DeadLetterFileError) -> Int {
        var count = 0
        for number in try numbers() {
            do throws(DeadLetterFileError) {
                if try LetterFile(name(number), flags: O_RDONLY).byteCount() > 0 { count += 1 }
            } catch .system(_, _, ENOENT) {
                // Another process has emptied it meanwhile.
                continue
            }
        }
        return count
    }

    /// Makes later letters go to another file. Does nothing when there are no letters.
    package func closeCurrent() throws(DeadLetterFileError) {
        // Without a letter there may be no folder for the lock.
        if try numbers().isEmpty { return }
        let lock = try locked()
        // Under the lock no process closes or removes the last file.
        if let last = try numbers().last,
            try Self.whole(LetterFile(name(last), flags: O_RDWR)) > 0
        {
            _ = try append([], toFile: last + 1, isNew: true)
        }
        _ = consume lock
    }

    /// Removes a file. Its letters must be stored elsewhere.
    package func remove(_ file: ClosedFile) throws(DeadLetterFileError) {
        try LetterFiles.remove(file.path)
        try LetterFiles.syncFolder(path)
    }

    /// Sets a file with unreadable lines aside, for a person to check. It is not removed.
    package func setAside(_ file: ClosedFile) throws(DeadLetterFileError) {
        do throws(DeadLetterFileError) {
            try LetterFiles.move(file.path, to: "\(file.path).damaged")
        } catch .system(_, _, ENOENT) {
            // Another process has done it meanwhile.
            return
        }
        try LetterFiles.syncFolder(path)
    }

    // MARK: reading

    /// Reads a closed file; `nil` when another process has emptied it meanwhile.
    package func read(
        _ file: ClosedFile
    ) throws(DeadLetterFileError) -> (letters: [DeadLetter], problems: [DeadLetterFileError])? {
        do throws(DeadLetterFileError) {
            return try Self.read(file.path)
        } catch .system(_, _, ENOENT) {
            return nil
        }
    }

    /// Reads the letters of a file, and the lines that are none.
    package static func read(
        _ path: String
    ) throws(DeadLetterFileError) -> (letters: [DeadLetter], problems: [DeadLetterFileError]) {
        let file = try LetterFile(path, flags: O_RDONLY)
        let bytes = try file.read(from: 0, count: file.byteCount())
        return parse(bytes, path: path)
    }

    /// Reads letters from the content of a file. `path` is named in the problems.
    package static func parse(
        _ bytes: [UInt8], path: String
    ) -> (letters: [DeadLetter], problems: [DeadLetterFileError]) {
        var letters: [DeadLetter] = []
        var problems: [DeadLetterFileError] = []
        let lines = bytes.split(separator: newline, omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() where !line.isEmpty {
            do throws(DeadLetter.Unreadable) {
                letters.append(try DeadLetter(json: Array(line)))
            } catch {
                problems.append(.damaged(path: path, line: index + 1, problem: error.problem))
            }
        }
        return (letters, problems)
    }

    // MARK: parts

    /// Waits for the lock, which is held until the result ends.
    private func locked() throws(DeadLetterFileError) -> LetterFile {
        let file = try LetterFile("\(path)/lock", flags: O_RDWR | O_CREAT)
        try file.lock()
        return file
    }

    private func name(_ number: Int) -> String { "\(path)/\(Self.prefix)\(number)\(Self.suffix)" }

    /// Returns the numbers of the files, ascending.
    private func numbers() throws(DeadLetterFileError) -> [Int] {
        try LetterFiles.names(in: path).compactMap { name in
            guard name.hasPrefix(Self.prefix), name.hasSuffix(Self.suffix) else { return nil }
            return Int(name.dropFirst(Self.prefix.count).dropLast(Self.suffix.count))
        }.sorted()
    }
}
