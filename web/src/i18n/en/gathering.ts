// Texts of gathering/.

export const gathering = {
  title: 'Gathering',
};
