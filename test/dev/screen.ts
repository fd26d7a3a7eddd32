const ESCAPE = '\x1b'
const TOKENS = new RegExp(`${ESCAPE}\\[([?\\d;]*)([A-Za-z])|[\\s\\S]`, 'g')

/** As much of a terminal as the live view uses: rows of cells, a cursor, wrapping at the edge. */
export class EmulatedScreen {
  columns: number
  rows: number
  readonly colours: boolean
  cursorShown = true
  written = ''
  private cells: string[][]
  private row = 0
  private column = 0

  constructor(columns: number, rows: number, colours = false) {
    this.columns = columns
    this.rows = rows
    this.colours = colours
    this.cells = Array.from({ length: rows }, () => [])
  }

  hasColors(): boolean {
    return this.colours
  }

  write(text: string): void {
    this.written += text
    for (const [token, parameter, command] of text.matchAll(TOKENS))
      if (command) this.control(command, parameter as string)
      else this.print(token)
  }

  get text(): string[] {
    const lines = this.cells.map((row) =>
      Array.from(row, (cell) => cell ?? ' ')
        .join('')
        .trimEnd(),
    )
    while (lines.at(-1) === '') lines.pop()
    return lines
  }

  private print(character: string): void {
    if (character === '\r') this.column = 0
    else if (character === '\n') this.down()
    else {
      if (this.column === this.columns) {
        this.column = 0
        this.down()
      }
      const row = this.cells[this.row] as string[]
      row[this.column++] = character
    }
  }

  private down(): void {
    if (this.row < this.rows - 1) this.row++
    else this.cells = [...this.cells.slice(1), []]
  }

  private control(command: string, parameter: string): void {
    const row = this.cells[this.row] as string[]
    const under = Math.min(this.column, this.columns - 1)
    if (command === 'A') this.row = Math.max(0, this.row - Number(parameter))
    else if (command === 'H') [this.row, this.column] = [0, 0]
    else if (command === 'K') row.length = Math.min(row.length, under)
    else if (command === 'J' && parameter === '2') this.cells = this.cells.map(() => [])
    else if (command === 'J') {
      row.length = Math.min(row.length, under)
      for (const below of this.cells.slice(this.row + 1)) below.length = 0
    } else if (parameter === '?25') this.cursorShown = command === 'h'
    else if (command !== 'm' && parameter !== '?2026') throw new Error(`unknown sequence ${parameter}${command}`)
  }
}
