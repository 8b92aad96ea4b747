/// The mistakes found so far in one file.
package struct ProblemList {
    package let file: String
    package private(set) var all: [FileMistake] = []

    /// The most mistakes in the list. Further ones are counted.
    package static let listedMax = 100
    private var unlisted = 0

    package init(file: String) { self.file = file }

    package var isEmpty: Bool { all.isEmpty }

    package mutating func add(_ position: YAMLPosition?, _ what: String) {
        let problem = FileMistake(file: file, position: position, what: what)
        if all.contains(problem) { return }
        if all.count < Self.listedMax { all.append(problem) } else { unlisted += 1 }
    }

    package mutating func add(_ other: ProblemList) {
        for problem in other.all {
            if all.count < Self.listedMax { all.append(problem) } else { unlisted += 1 }
        }
        unlisted += other.unlisted
    }

    /// This file's own mistakes in order of their places, then those of the files that it names.
    package var sorted: FileMistakes {
        let start = YAMLPosition(line: 0, column: 0)
        let own = all.filter { $0.file == file }.enumerated().sorted {
            ($0.element.position ?? start, $0.offset) < ($1.element.position ?? start, $1.offset)
        }
        var problems = own.map(\.element) + all.filter { $0.file != file }
        if unlisted > 0 {
            problems.append(
                FileMistake(file: file, position: nil, what: "\(unlisted) problems more"))
        }
        return FileMistakes(problems)
    }

    /// Reads a file into its nodes.
    package static func load(
        _ path: String, _ read: (String, Int) -> Result<[UInt8], FileFailure>,
        _ problems: inout ProblemList
    ) -> YAMLNode? {
        switch read(path, YAMLLimits.bytesMax) {
        case .failure(let failure):
            problems.add(nil, "\(failure.what): is the path right?")
            return nil
        case .success(let bytes):
            do throws(YAMLProblem) {
                return try YAMLFile.parse(bytes)
            } catch {
                problems.add(error.position, error.what)
                return nil
            }
        }
    }
}
