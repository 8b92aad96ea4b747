import DeadLetters
import TapeTransport

extension LetterBox {
    init(file path: String) throws(ToolError) {
        do throws(DeadLetterFileError) {
            let (letters, problems) = try DeadLetterFolder.read(path)
            self.init(letters, problems: problems.map { "\($0)" })
        } catch {
            throw .usage("\(error)")
        }
    }

    func chosen(by selection: LetterSelection) -> [Entry] {
        entries.filter { selection.wants($0.letter) }
    }
}
